"""What travels to the server and back: payloads and their encryption, failures, search attributes, times, policies.

Nothing here connects to a server or knows a workflow.
"""
