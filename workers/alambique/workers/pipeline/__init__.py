"""A job's stages one after the other, each done once and recorded."""
