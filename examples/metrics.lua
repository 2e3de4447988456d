-- Custom metrics in addition to Temporal's: a counter, a histogram and a gauge, as Prometheus scrapes them.

local function order(ctx, items)
  local meter = ctx:metric_meter()
  local began = ctx:now()
  for _, item in ipairs(items) do
    ctx:execute_activity("pack", item)
    meter:create_counter("items_packed"):add(1, { kind = item.kind })
  end
  meter:create_histogram_timedelta("order_duration"):record(ctx:now() - began)
end

local boxes = 10
local worker = temporal.worker({
  task_queue = "metrics",
  metrics = {
    prometheus = "127.0.0.1:19464",
    durations_as_seconds = true,
    histogram_bucket_overrides = { order_duration = { 60, 3600 } },
  },
  workflows = { Order = order },
  activities = {
    pack = function(item)
      boxes = boxes - item.boxes
      activity.metric_meter():create_gauge("boxes_left"):set(boxes)
    end,
  },
})

local client = temporal.connect()
client:execute_workflow({
  task_queue = "metrics",
  workflow_type = "Order",
  input = { { kind = "book", boxes = 1 }, { kind = "chair", boxes = 4 }, { kind = "book", boxes = 1 } },
})
local page = http.get("http://127.0.0.1:19464/metrics").body
for _, metric in ipairs({ "boxes_left", "items_packed", "order_duration_bucket" }) do
  for labels, value in page:gmatch("\n" .. metric .. "(%b{}) (%S+)") do
    print(metric, labels:match('kind="(%a+)"') or labels:match('le="(%S-)"') or "", value)
  end
end
worker:shutdown()
