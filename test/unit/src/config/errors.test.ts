import { describe, expect, test } from 'vitest'
import { FILE, load, refusal } from './support.ts'

const golden = (name: string) => `../../../golden/config/${name}.txt`

describe('a refused configuration', () => {
  test('lists everything that is wrong, each at its place, with what was probably meant', async () => {
    const toml = `# a comment
idle_timeout = "1h"
[runer]
step_max_retries = 5

[runner]
step_max_retrys = 3
step_max_retries = "two"
idle_timeout = 20
max_execution = "4 hours"
max_nodes = 3
reconcile_interval = "0s"
provider = "hetzer"
max_attempts = 0
retry_max_delay = ["1s"]

[nodes]
cpu_threshold_percent = 101
max_nodes = -1
warm_timeout = 2026-11-24
heartbeat_interval = "10"

[results]
log_max_bytes = 1048576
salvage_max_bytes = "256mb"

[daemon]
log_level = "inf"

[notify]
command = ["a", 5]

[callbacks]
listen = "nowhere"
url = "ftp://x"

[providers.hetzner]
enabled = "yes"
sizes = {}
transport = { by = "ssh" }

[[providers.static.nodes]]
url = "http://127.0.0.1:1"
[[providers.static.nodes]]
name = "box 1"
tokn = "s3cr3t"
token = 12345678

[agents."Bad Name"]
type = "claude"
[agents.x]
type = "clude"
[agents.y]
command = ["a"]
[agents.claude]
env = ["A=B"]
comand = ["claude"]
`
    await expect(refusal({ toml })).toMatchFileSnapshot(golden('many-errors'))
  })

  test('says so for the environment by the name of the variable', async () => {
    const env = {
      TDF_RUNNER__IDLE_TIMOUT: '1h',
      TDF_RUNER__AGENT: 'claude',
      TDF_RUNNER__MAX_NODES: '3',
      TDF_RUNNER__STEP_MAX_RETRIES: '3.5',
      TDF_RUNNER__IDLE_TIMEOUT: '20',
      TDF_NODES__MAX_NODES: '',
      TDF_PROVIDERS__LOCAL__ENABLED: 'ja',
      TDF_PROVIDERS__HETZNER__SIZES__SMALL: 'cx23',
      TDF_PROVIDERS__STATIC__NODES__0__NAME: 'box1',
      TDF_PROVIDERS__HETZNER__LOCATIONS: 'fsn1',
      TDF_AGENTS__FAKE__COMMAND: '["x"]',
      TDF_AGENTS__CLAUDE__COMAND: '["x"]',
      TDF_SWEEPS__INTERVAL: '5m',
      TDF_sweeps__interval: '6m',
      TDF__X: '1',
      TDF_RUNNER__: '1',
      TDF_RUNNER: '{}',
    }
    await expect(refusal({ env })).toMatchFileSnapshot(golden('environment-errors'))
  })

  test('has a double key at its second place, and is checked further all the same', async () => {
    const toml = `[runner]
idle_timeout = "1h"
idle_timeout = "2h"
max_execution = "nonsense"
"agent" = "a"
"agent" = "b"
[nodes]
max_nodes = 1
[runner]
agent = "codex"
[providers]
hetzner = { enabled = true, enabled = false }
`
    await expect(refusal({ toml })).toMatchFileSnapshot(golden('double-keys'))
  })

  test.each([
    [
      'a duration without quotes',
      '[runner]\nidle_timeout = 20m # short\n',
      `${FILE}:2:18  error  not TOML from here on: must be a newline — did you mean "20m"?`,
    ],
    [
      'a word without quotes',
      '[runner]\nagent = claude\n',
      `${FILE}:2:9  error  not TOML from here on: unexpected character — did you mean "claude"?`,
    ],
    ['an open string', '[runner]\nagent = "claude\n', `${FILE}:2:16  error  not TOML from here on: `],
    ['an open table', '[runner\nagent = ""\n', `${FILE}:2:1  error  not TOML from here on: `],
    ['a letter that the substitute for doubles would mend', 'a!b = 1\n', `${FILE}:1:2  error  not TOML from here on: `],
  ])('with %s says where the syntax ends', (_, toml, line) => {
    expect(refusal({ toml })).toContain(line)
  })

  test('with more doubles than can be read around names the first that is left', () => {
    const doubles = Array.from({ length: 20 }, (_, index) => `k${index} = 1\nk${index} = 2\n`).join('')
    expect(refusal({ toml: doubles })).toMatch(
      /:26:1 +error {2}not TOML from here on: defining a key multiple times is invalid\n1 error/,
    )
    const crowded = [...'-_0123456789'].map(letter => `${letter} = 1\n`).join('')
    expect(refusal({ toml: `${crowded}a = 1\na = 2\n` })).toContain(':14:1')
  })

  test('with a fault of syntax still has its environment checked', () => {
    const message = refusal({ toml: '[runner', env: { TDF_NODES__MAX_NODES: 'many' } })
    expect(message).toMatch(/config\.toml:1:8 .*\nenv TDF_NODES__MAX_NODES .*\n2 errors$/)
  })

  test('never shows a token, even where it is of the wrong kind', () => {
    const node = '[[providers.static.nodes]]\nname = "a"\nurl = "http://a"\ntoken ='
    expect(refusal({ toml: `${node} ["hunter2hunter2"]` })).not.toContain('hunter2')
    expect(refusal({ toml: `${node} 48151623` })).not.toContain('48151623')
  })

  test('has nothing in it that a terminal would obey', () => {
    const message = refusal({
      toml: '"\\u001b]0;x\\u0007\\u009b\\u202e" = 1\n[runner]\nprovider = "\\u001b[31m\\u0085"',
    })
    expect(message.replaceAll('\n', '')).not.toMatch(/[\p{Cc}\p{Bidi_C}]/u)
  })

  test('treats a key named __proto__ or constructor like any other', () => {
    const message = refusal({
      toml: '__proto__ = 1\n[constructor]\nx = 1\n[runner.toString]\nx = 1',
    })
    expect(message).toContain('unknown key "__proto__"')
    expect(message).toContain('unknown table "constructor"')
    expect(message).toContain('unknown key "toString" in [runner]')
    expect(
      load({ toml: '[agents.__proto__]\ntype = "acp"\n[agents.constructor]\ntype = "codex"' }).config.agents,
    ).toMatchObject({
      constructor: { type: 'codex' },
    })
  })

  test('with a value where a table belongs says so', () => {
    expect(refusal({ toml: 'runner = 5\nagents = "x"\nproviders = { static = { nodes = 1 } }' })).toMatch(
      /:1:10 +error {2}runner: expected a table, got integer 5\n.*:2:10 .*agents: expected a table, got string "x"\n.*:3:34 .*expected a list of tables, got integer 1/,
    )
    expect(refusal({ toml: '[agents]\nclaude = 5' })).toContain('agents.claude: expected a table, got integer 5')
  })

  test('of a thousand errors shows the first fifty and the number', () => {
    const toml = `[runner]\n${Array.from({ length: 1000 }, (_, index) => `zz${index} = 1`).join('\n')}`
    const lines = refusal({ toml }).split('\n')
    expect(lines).toHaveLength(53)
    expect(lines.slice(-2)).toEqual(['… and 950 more', '1000 errors'])
  })
})

describe('static nodes', () => {
  test('each have a name, one way to them, and the token that it needs', async () => {
    const toml = `[[providers.static.nodes]]
name = "a"
[[providers.static.nodes]]
name = "b"
url = "http://b"
ssh = "me@b"
token = "t"
[[providers.static.nodes]]
name = "a"
url = "http://a"
[[providers.static.nodes]]
name = "local"
ssh = "me@c"
token = "t"
token_file = "t"
`
    await expect(refusal({ toml })).toMatchFileSnapshot(golden('static-nodes'))
  })

  test('may have a name in common with nothing else', () => {
    expect(
      load({ toml: '[[providers.static.nodes]]\nname = "Local"\nssh = "a"' }).config.providers.static.nodes,
    ).toHaveLength(1)
  })
})
