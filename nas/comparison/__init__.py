"""Spaces side by side, as distributions of errors: samples of each, trained alike (Radosavovic et al. 2019).

sampling.py     a study of random children for each space: checked, made, or continued
children.py     what was measured of the children of a study; whether studies may be compared
statistics.py   distributions and their weights, bootstrap intervals, tests of two samples
report.py       all of it as one document, and in sentences
picture.py      the same drawn
"""
