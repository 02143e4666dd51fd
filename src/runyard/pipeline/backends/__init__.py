"""How a pipeline is run: one module for each way, all behind `base.Backend`."""
