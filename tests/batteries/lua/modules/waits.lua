sleep(0.001)
return a_global
