import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { loadConfig } from '../../../../src/config/load/load.ts'
import { defaultConfig } from '../../../../src/config/schema/config.ts'
import { afterFile } from '../../../support/after-file.ts'
import { load, refusal } from './support.ts'

describe('without a file', () => {
  test('the defaults are in force', () => {
    expect(load()).toMatchObject({ config: defaultConfig(), warnings: [] })
    expect(load({ toml: '' }).config).toEqual(defaultConfig())
  })

  test('durations are ms, sizes bytes, and names camelCase', () => {
    const { runner, nodes, results } = defaultConfig()
    expect(runner).toMatchObject({ stepMaxRetries: 3, retryBaseDelay: 5_000, queueTimeout: 168 * 3_600_000 })
    expect(nodes).toMatchObject({ warmTimeout: 1_800_000, heldMax: 72 * 3_600_000, cpuThresholdPercent: 50 })
    expect(results).toMatchObject({ salvageMaxBytes: 256 * 1024 ** 2, logMaxBytes: 64 * 1024 ** 2 })
  })

  test('a file that TDF_CONFIG names and that is not there is worth a warning', () => {
    expect(load({ env: { TDF_CONFIG: '/etc/tdf/config.toml' } }).warnings).toEqual([
      'TDF_CONFIG names /etc/tdf/config.toml, which does not exist: the defaults are in force',
    ])
  })
})

describe('a real file', () => {
  const folder = mkdtempSync(join(tmpdir(), 'tdf-config-'))
  afterFile(() => rmSync(folder, { recursive: true, force: true }))
  const file = join(folder, 'config.toml')

  test('is read, and one that is not there is no error', () => {
    expect(loadConfig({ file, env: {} }).config).toEqual(defaultConfig())
    writeFileSync(file, '[runner]\nidle_timeout = "3s"\n')
    expect(loadConfig({ file, env: {} }).config.runner.idleTimeout).toBe(3_000)
  })

  test('that is a folder, or larger than a megabyte, is refused by name', () => {
    expect(() => loadConfig({ file: folder, env: {} })).toThrow(
      `cannot read the configuration file ${folder}: it is a folder`,
    )
    const large = join(folder, 'large.toml')
    writeFileSync(large, '#'.repeat(1024 * 1024 + 1))
    expect(() => loadConfig({ file: large, env: {} })).toThrow(/has 1048577 bytes/)
  })

  test('that the system refuses is refused with its reason', () => {
    const readFile = () => {
      throw Object.assign(new Error('EACCES: permission denied'), { code: 'EACCES' })
    }
    expect(() => loadConfig({ file, env: {}, readFile })).toThrow(
      expect.objectContaining({
        code: 'CONFIG_INVALID',
        message: expect.stringContaining('permission denied (EACCES)'),
      }),
    )
  })
})

describe('TOML', () => {
  test('may use dotted keys, inline tables, any order of tables, CRLF and a byte order mark', () => {
    const toml =
      '\ufeffnodes.max_nodes = 2\r\n[providers.hetzner]\r\nenabled = true\r\n[providers]\r\nlocal = { enabled = false }\r\n'
    const { nodes, providers } = load({ toml }).config
    expect([nodes.maxNodes, providers.hetzner.enabled, providers.local.enabled]).toEqual([2, true, false])
  })

  test('gives sizes of machines as a whole, under the names that were chosen', () => {
    const { sizes } = load({ toml: '[providers.hetzner]\nsizes = { tiny_one = "cx11" }' }).config.providers.hetzner
    expect(sizes).toEqual({ tiny_one: 'cx11' })
    expect(sizes.constructor).toBeUndefined()
  })
})

describe('the environment', () => {
  test('wins over the file, for any key and in any case', () => {
    const env = {
      TDF_RUNNER__STEP_MAX_RETRIES: '5',
      TDF_nodes__Heartbeat_Interval: '200ms',
      TDF_PROVIDERS__HETZNER__ENABLED: 'true',
      TDF_PROVIDERS__LOCAL__ENABLED: '0',
      TDF_RUNNER__AGENT: '"quoted"',
      TDF_RESULTS__LOG_MAX_BYTES: '1GiB',
    }
    const { runner, nodes, providers, results } = load({ toml: '[runner]\nstep_max_retries = 9', env }).config
    expect(runner).toMatchObject({ stepMaxRetries: 5, agent: '"quoted"' })
    expect(nodes.heartbeatInterval).toBe(200)
    expect([providers.hetzner.enabled, providers.local.enabled]).toEqual([true, false])
    expect(results.logMaxBytes).toBe(1024 ** 3)
  })

  test('gives lists and tables as JSON or as TOML', () => {
    const env = {
      TDF_NOTIFY__COMMAND: '["notify-send", "tdf"]',
      TDF_PROVIDERS__HETZNER__SIZES: '{ small = "cx99" }',
      TDF_PROVIDERS__STATIC__NODES: '[{"name":"box1","url":"http://127.0.0.1:8787","token":"0123456789"}]',
      TDF_PROVIDERS__HETZNER: '{ enabled = true, image = "debian-14" }',
    }
    const { notify, providers } = load({ env }).config
    expect(notify.command).toEqual(['notify-send', 'tdf'])
    expect(providers.hetzner).toMatchObject({
      sizes: { small: 'cx99' },
      enabled: true,
      image: 'debian-14',
      transport: 'ssh',
    })
    expect(providers.static.nodes).toMatchObject([{ name: 'box1', url: 'http://127.0.0.1:8787' }])
  })

  test('names agents, new ones and those of the file', () => {
    const toml = '[agents.my-agent]\ntype = "acp"\ncommand = ["a", "acp"]'
    const env = {
      TDF_AGENTS__CLAUDE__COMMAND: '["/opt/claude"]',
      TDF_AGENTS__MY_AGENT__ARGS: '["-v"]',
      TDF_AGENTS__FAKE: '{"type":"command","command":["./fake"]}',
    }
    const { agents } = load({ toml, env }).config
    expect(Object.keys(agents)).toEqual(['claude', 'codex', 'my-agent', 'fake'])
    expect(agents.claude).toMatchObject({
      type: 'claude',
      command: ['/opt/claude'],
      env: ['ANTHROPIC_API_KEY', 'CLAUDE_CODE_OAUTH_TOKEN'],
    })
    expect(agents['my-agent']).toMatchObject({ command: ['a', 'acp'], args: ['-v'] })
    expect(agents.fake).toMatchObject({ type: 'command', command: ['./fake'], env: [] })
  })

  test('sets a key over a whole table, whatever their order', () => {
    const env = {
      TDF_RUNNER__AGENT: 'codex',
      TDF_AGENTS__X: '{"type":"codex","args":["a"]}',
      TDF_AGENTS__X__ARGS: '["b"]',
    }
    expect(load({ env }).config.agents.x).toMatchObject({ type: 'codex', command: ['codex'], args: ['b'] })
  })

  test('leaves names without a double underscore to others', () => {
    const env = {
      TDF_HOME: '/x',
      TDF_CONFIG: '',
      TDF_HOST: 'h',
      TDF_COLOR: 'never',
      TDF_DEBUG: 'api',
      TDF_CRASH_AT: 'x',
      PATH: '/bin',
    }
    expect(load({ env }).config).toEqual(defaultConfig())
  })

  test('knows HCLOUD_ENDPOINT, which TDF_PROVIDERS__HETZNER__ENDPOINT overrules', () => {
    const toml = '[providers.hetzner]\nendpoint = "https://file.example"'
    const env = { HCLOUD_ENDPOINT: 'http://127.0.0.1:4000/v1' }
    expect(load({ toml, env }).config.providers.hetzner.endpoint).toBe('http://127.0.0.1:4000/v1')
    const ours = { ...env, TDF_PROVIDERS__HETZNER__ENDPOINT: 'http://127.0.0.1:5000/v1' }
    expect(load({ toml, env: ours }).config.providers.hetzner.endpoint).toBe('http://127.0.0.1:5000/v1')
  })
})

describe('agents', () => {
  test('claude and codex need no table, and one of their type needs no command', () => {
    const { agents } = load({ toml: '[agents.opus]\ntype = "claude"\nargs = ["--model", "opus"]\nenv = []' }).config
    expect(agents.codex).toMatchObject({ type: 'codex', command: ['codex'], install: '' })
    expect(agents.opus).toMatchObject({
      type: 'claude',
      command: ['claude'],
      args: ['--model', 'opus'],
      env: [],
      install: '',
    })
    expect(agents.constructor).toBeUndefined()
  })
})

describe('what an agent is given', () => {
  test('is named by a list of secrets, or by a table of variables with the name of a secret each', () => {
    const toml = '[agents.work]\ntype = "claude"\nenv = { CLAUDE_CODE_OAUTH_TOKEN = "WORK_TOKEN" }'
    expect(load({ toml }).config.agents.work?.env).toEqual({ CLAUDE_CODE_OAUTH_TOKEN: 'WORK_TOKEN' })
    const env = { TDF_AGENTS__CLAUDE__ENV: '{ A_KEY = "B_KEY" }', TDF_AGENTS__CODEX__ENV: '["C_KEY"]' }
    const { agents } = load({ env }).config
    expect([agents.claude?.env, agents.codex?.env]).toEqual([{ A_KEY: 'B_KEY' }, ['C_KEY']])
  })

  test('names others behind it that are there, and never itself', () => {
    const fallback = (names: string) => load({ toml: `[agents.claude]\nfallback = ${names}` })
    expect(fallback('["codex"]').config.agents.claude).toMatchObject({ fallback: ['codex'], fallbackAfter: 600_000 })
    expect(() => fallback('["codx"]')).toThrow('there is no agent "codx"; known are: claude, codex')
    expect(() => fallback('["claude"]')).toThrow('an agent cannot go on in its own place')
  })

  test('is refused as anything else, with both ways to say it', () => {
    for (const env of ['"A_KEY"', '["a key"]', '{ A_KEY = 1 }', '{ "a key" = "A_KEY" }']) {
      const toml = `[agents.work]\ntype = "claude"\nenv = ${env}`
      expect(() => load({ toml }), env).toThrow(/list of names of secrets.*or a table such as/)
    }
  })
})

describe('static nodes', () => {
  const node = '[[providers.static.nodes]]\nname = "box1"\nurl = "http://127.0.0.1:8787"\n'

  test('have their token file beside the configuration, or in the home folder', () => {
    const toml = `${node}token_file = "box1.token"\n[[providers.static.nodes]]\nname = "b2"\nssh = "me@box"\ntoken_file = "~/b2"`
    const { nodes } = load({ toml, env: { HOME: '/home/ada' } }).config.providers.static
    expect(nodes.map(({ tokenFile }) => tokenFile)).toEqual(['/etc/tdf/box1.token', '/home/ada/b2'])
  })

  test('with a token in a file that others may read are worth a warning', () => {
    const toml = `${node}token = "0123456789"`
    expect(load({ toml, mode: 0o100600 }).warnings).toEqual([])
    expect(load({ toml, mode: 0o100640 }).warnings).toEqual([
      '/etc/tdf/config.toml holds the token of node "box1" and others may read it (mode 0640): chmod 600 /etc/tdf/config.toml',
    ])
    expect(load({ toml: `${node}token_file = "t"`, mode: 0o100644 }).warnings).toEqual([])
  })

  test.each(['me@box', 'box', 'me@10.0.0.1', 'me@fe80::1'])('are reached by ssh as %s', ssh => {
    expect(
      load({ toml: `[[providers.static.nodes]]\nname = "b"\nssh = "${ssh}"` }).config.providers.static.nodes,
    ).toHaveLength(1)
  })

  test.each(['-oProxyCommand=x', 'me@-x', 'me@box:22', 'a b', 'ssh://box'])('are not reached by ssh as %s', ssh => {
    expect(refusal({ toml: `[[providers.static.nodes]]\nname = "b"\nssh = "${ssh}"` })).toContain(
      'expected "user@host"',
    )
  })
})

describe('the address for callbacks', () => {
  test.each([':0', '127.0.0.1:0', 'localhost:7433', '[::1]:65535', '0.0.0.0:1'])('may be %s', listen => {
    expect(load({ env: { TDF_CALLBACKS__LISTEN: listen } }).config.callbacks.listen).toBe(listen)
  })

  test.each(['7433', 'localhost', 'http://localhost:1', ':65536', '::1:80', ''])('may not be %j', listen => {
    expect(refusal({ env: { TDF_CALLBACKS__LISTEN: listen } })).toContain('expected an address')
  })
})
