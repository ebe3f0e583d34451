"""What several recipes share; none of these is one."""
