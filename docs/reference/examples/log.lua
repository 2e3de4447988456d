--- log.debug
log.debug("the cache is warm", { entries = 12 }) -- shown with ASSAY_LOG_LEVEL=debug

--- log.info
log.info("order shipped", { order = 7 })

--- log.warn
log.warn("retrying", { attempt = 2 })

--- log.error
log.error("order lost", { order = 7 })
