"""What runs the pipeline: command line, embedded engines, dashboard, topic and schema set-up."""
