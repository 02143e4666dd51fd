"""One account on one host: observe, beat, reconcile, act."""
