"""What a job says: frozen, typed, free of torch; settings; errors."""
