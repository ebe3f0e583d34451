"""The error function in NumPy, to the last digits of float64."""

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

# Rational approximations by intervals of |x|, each with numerator and denominator from the constant term upwards.
# Source: Sun Microsystems 1993, fdlibm, s_erf.c.
ONE_POINT = 8.45062911510467529297e-01  # erf(1), rounded to float32
NEAR_ZERO = (
    (1.28379167095512558561e-01, -3.25042107247001499370e-01, -2.84817495755985104766e-02,
     -5.77027029648944159157e-03, -2.37630166566501626084e-05),
    (1.0, 3.97917223959155352819e-01, 6.50222499887672944485e-02, 5.08130628187576562776e-03,
     1.32494738004321644526e-04, -3.96022827877536812320e-06),
)  # fmt: skip
NEAR_ONE = (
    (-2.36211856075265944077e-03, 4.14856118683748331666e-01, -3.72207876035701323847e-01, 3.18346619901161753674e-01,
     -1.10894694282396677476e-01, 3.54783043256182359371e-02, -2.16637559486879084300e-03),
    (1.0, 1.06420880400844228286e-01, 5.40397917702171048937e-01, 7.18286544141962662868e-02,
     1.26171219808761642112e-01, 1.36370839120290507362e-02, 1.19844998467991074170e-02),
)  # fmt: skip
MIDDLE = (
    (-9.86494403484714822705e-03, -6.93858572707181764372e-01, -1.05586262253232909814e01, -6.23753324503260060396e01,
     -1.62396669462573470355e02, -1.84605092906711035994e02, -8.12874355063065934246e01, -9.81432934416914548592e00),
    (1.0, 1.96512716674392571292e01, 1.37657754143519042600e02, 4.34565877475229228821e02, 6.45387271733267880336e02,
     4.29008140027567833386e02, 1.08635005541779435134e02, 6.57024977031928170135e00, -6.04244152148580987438e-02),
)  # fmt: skip
TAIL = (
    (-9.86494292470009928597e-03, -7.99283237680523006574e-01, -1.77579549177547519889e01, -1.60636384855821916062e02,
     -6.37566443368389627722e02, -1.02509513161107724954e03, -4.83519191608651397019e02),
    (1.0, 3.03380607434824582924e01, 3.25792512996573918826e02, 1.53672958608443695994e03, 3.19985821950859553908e03,
     2.55305040643316442583e03, 4.74528541206955367215e02, -2.24409524465858183362e01),
)  # fmt: skip


def _polynomial(coefficients: tuple[float, ...], x: Array) -> Array:
    value = np.full_like(x, coefficients[-1])
    for coefficient in coefficients[-2::-1]:
        value *= x
        value += coefficient
    return value


def _rational(fraction: tuple[tuple[float, ...], tuple[float, ...]], x: Array) -> Array:
    return _polynomial(fraction[0], x) / _polynomial(fraction[1], x)


def erf(x: Array) -> Array:
    """2/√π times the integral of exp(-s²) from 0 to x, element by element; exact to about 1e-16 in float64."""
    x = np.asarray(x)
    flat = x.reshape(-1)
    size = np.abs(flat)
    y = np.where(np.isnan(size), size, np.ones_like(size))

    part = size < 0.84375
    near = size[part]
    y[part] = near + near * _rational(NEAR_ZERO, near * near)

    part = (size >= 0.84375) & (size < 1.25)
    y[part] = ONE_POINT + _rational(NEAR_ONE, size[part] - 1)

    for low, high, fraction in ((1.25, 1 / 0.35, MIDDLE), (1 / 0.35, 6.0, TAIL)):
        part = (size >= low) & (size < high)
        far = size[part]
        square = far * far
        y[part] = 1 - np.exp(_rational(fraction, 1 / square) - square - 0.5625) / far
    return np.copysign(y, flat).reshape(x.shape)
