"""The queue's side of a worker: taking jobs, holding their leases, ending their attempts."""
