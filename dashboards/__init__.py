"""The dashboard: a server that only reads the store, and the page that it serves. See docs/dashboard.md.

app.py routes.py endpoints.py files.py  the application, its paths, the parameters of each, the files of the page
guard.py server.py                      who may ask, and how it runs
archive.py columns.py studies.py        the open database, a study's trials as numpy columns, what a study is
groups.py                               which studies may share a front
filters.py selection.py cursor.py       the parameters that every chart shares, and the rows that they leave or change
points.py fronts.py reduction.py        trials as points, the front of each dataset, fewer points that look the same
overview.py progress.py published.py    the studies; how far they have come; what others published
axes.py                                 the choices of the trials, and what they matter
trial_rows.py trial_page.py nearest.py  trials as rows, one trial, the hand-designed network nearest to it
compare.py pictures.py events.py        differences between trials; drawings; what changes while it changes
report.py                               the front of a study as one file
packing.py answers.py errors.py         columns and documents as JSON; what is refused
static/                                 the page
"""
