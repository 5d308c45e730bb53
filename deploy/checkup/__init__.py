"""What `pushtokens doctor` looks at beyond this machine: facts are gathered in one place, judged in another."""
