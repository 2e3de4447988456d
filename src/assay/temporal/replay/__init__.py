"""Replaying histories cold against a script's workflows: the run of them, and where one parts from its history."""
