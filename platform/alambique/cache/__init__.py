"""Teacher outputs: keys, packs, stores."""
