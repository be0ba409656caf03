"""Collections moved from one store to another: out of `retrieval` into a folder, and from a folder into `retrieval`.

folder.py      what lies in the folder: points, sums, and how far a move has come
embedding.py   whether vectors and the model that questions are encoded with belong together
pages.py       a page of a collection, whole points
exporting.py   retrieval → folder
importing.py   folder → retrieval, read back and compared
"""
