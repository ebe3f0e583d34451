"""Results to figures: PNG files, curves in the terminal, the report as a page. Only this room knows matplotlib.

Every function that draws takes the path of the PNG first, writes the whole file or nothing, and returns the path. The
same input gives the same bytes.
"""

from fathom.plot.charts import bars, heatmap, histogram, lines
from fathom.plot.classes import confusion_matrix, per_class, reliability
from fathom.plot.curves import Curves, curves
from fathom.plot.layers import feature_maps, filters, heat_maps
from fathom.plot.live import LiveCurve, chart
from fathom.plot.page import Row, html, markdown
from fathom.plot.pictures import images
from fathom.plot.surfaces import contours, plane

__all__ = [
    "Curves",
    "LiveCurve",
    "Row",
    "bars",
    "chart",
    "confusion_matrix",
    "contours",
    "curves",
    "feature_maps",
    "filters",
    "heat_maps",
    "heatmap",
    "histogram",
    "html",
    "images",
    "lines",
    "markdown",
    "per_class",
    "plane",
    "reliability",
]
