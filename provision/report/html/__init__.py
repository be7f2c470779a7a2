"""The cost report: one HTML file that needs neither network nor script."""
