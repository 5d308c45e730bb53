"""The compactor beside its peers: contenders, the topic they all read, races, outages, and the pictures."""
