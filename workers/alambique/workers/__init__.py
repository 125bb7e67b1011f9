"""The dispatcher and the stages of a job."""
