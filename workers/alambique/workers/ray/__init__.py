"""The edge over Ray: connections, and the processes that train, fill caches and run trials.

Only drivers and dispatchers import it, when they connect; other code receives a `Cluster`.
"""
