"""The local run: the services of a profile, each a process of its own, under one supervisor.

config ──► plan ──────────► supervisor ──► processes
           what to start,    supervisord:    python -m services.<name>
           where, with what  restarts, logs
             ▲                 ▲
           state: where the run keeps its records, logs and documents
           suite: what the commands use of all this
"""
