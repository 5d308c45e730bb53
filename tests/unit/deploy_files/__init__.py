"""The deploy files say nothing that the code does not know, and nothing that the tools they are for would refuse."""
