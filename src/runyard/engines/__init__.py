"""How a placement is started: one module per engine, all behind `base.Engine`."""
