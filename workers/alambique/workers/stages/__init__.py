"""The stages of a job, each a function from the job's context to what it leaves behind."""
