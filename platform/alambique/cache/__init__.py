"""Teacher outputs: computed once for a text, then read by every student."""
