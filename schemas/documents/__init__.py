"""Documents generated from the types: JSON Schemas, AsyncAPI, OpenAPI, the settings table (`make documents`)."""
