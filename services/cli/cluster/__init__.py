"""A release in a Kubernetes cluster, seen from the command line: how far it is, what nodes offer, a way in.

snapshot.py    what was read of a release at one moment: Kubernetes' objects as they are, and last lines of logs
reasons.py     why one pod waits or is stuck, in one sentence
progress.py    how far a release is: a line for every pod, and for every pod that could not even be made
forwarding.py  ports of this machine that lead to pods
access.py      reads the cluster with the `kubernetes` client
"""
