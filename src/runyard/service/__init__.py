"""The verbs over a store, in this process, and the controller that plans."""
