"""Networks tested and asked: loading, predicting, scores, and how alike two networks are."""
