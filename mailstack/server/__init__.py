"""One office: what stands around it, what it needs before it can work, and how its services are wired together."""
