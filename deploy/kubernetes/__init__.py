"""The Kubernetes files, and what of them is written from the code: `python -m deploy.kubernetes.write [--check]`."""
