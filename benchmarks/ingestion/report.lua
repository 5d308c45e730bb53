-- wrk's script: the specification's examples, a selector of its own in each request. Arguments: "get" or "post", and a
-- run's number in hexadecimal digits (at most 16), so that no two runs share a selector.
local before, after
local count = 100000000 -- nine digits, below 2^31: LuaJIT joins such numbers to text without calling C

local function get(selector)
  before = "GET /token/?username=johndow&password=12345678&selector=" .. selector
  after = ":7C3A0D14&token_msgs=QVBBOTFiRzlhcVd2bW54bllCWldHOWh4dnRrZ3pUWFNvcGZpdWZ6bWM2dFAzS2J"
    .. "&appid_msgs=com.cloudsoftphone.app&token_calls=Udl99X2JFP1bWwS5gR%2FwGeLE1hmAB2CMpr1Ej0wxkrY%3D"
    .. "&appid_calls=com.cloudsoftphone.app.pushkit HTTP/1.1\r\nHost: example.com\r\nCache-Control: max-age=0\r\n"
    .. "User-Agent: CloudSoftphone/1.5.6\r\n\r\n"
end

local function post(selector)
  local first = '{\n    "token_msgs" : "QVBBOTFiRzlhcVd2bW54bllCWldHOWh4dnRrZ3pUWFNvcGZpdWZ6bWM2dFAzS2J",\n'
    .. '    "appid_msgs" : "com.cloudsoftphone.app",\n'
    .. '    "token_calls" : "Udl99X2JFP1bWwS5gR/wGeLE1hmAB2CMpr1Ej0wxkrY=",\n'
    .. '    "appid_calls" : "com.cloudsoftphone.app.pushkit",\n    "selector" : "' .. selector
  local last = ':7C3A0D14"\n}\n'
  before = "POST /token/johndow/ HTTP/1.1\r\nHost: example.com\r\nCache-Control: max-age=0\r\n"
    .. "User-Agent: CloudSoftphone/1.5.6\r\nContent-Type: application/json\r\nContent-Length: "
    .. (#first + 9 + #last) .. "\r\n\r\n" .. first
  after = last
end

function init(arguments)
  local selector = string.rep("0", 31 - #arguments[2]) .. arguments[2] -- 40 digits with the count's nine
  if arguments[1] == "post" then post(selector) else get(selector) end
end

function request()
  count = count + 1
  return before .. count .. after
end

-- The last line of the output: counts, times in microseconds.
function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '\n{"requests": %d, "microseconds": %d, "p50": %d, "p99": %d, "p999": %d, "longest": %d, '
      .. '"connect": %d, "read": %d, "write": %d, "status": %d, "timeout": %d}\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), latency:percentile(99.9),
    latency.max, errors.connect, errors.read, errors.write, errors.status, errors.timeout))
end
