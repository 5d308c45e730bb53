"""The examples for the teams downstream, each as a process of its own, with clients that nobody here wrote."""
