a_silent_module = true
