import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { configSchema, defaultConfig } from '../../../../src/config/schema/config.ts'
import { descriptionOf, keysOf, keyText, shapeOf } from '../../../../src/config/schema/shape.ts'
import { describeConfig } from '../../../../src/config/show/describe.ts'
import { exampleToml } from '../../../../src/config/show/example.ts'
import { configJsonSchema } from '../../../../src/config/show/manual.ts'
import { load } from './support.ts'

const keys = [...keysOf(configSchema)]

describe('config.example.toml', () => {
  test('is what the schema says today', async () => {
    await expect(exampleToml()).toMatchFileSnapshot('../../../../config.example.toml')
  })

  test('is accepted as it stands, and means the defaults', () => {
    const { config, warnings, origins } = load({
      toml: readFileSync(new URL('../../../../config.example.toml', import.meta.url), 'utf8'),
    })
    expect(config).toEqual(defaultConfig())
    expect(warnings).toEqual([])
    const plain = keys.filter(({ schema }) => shapeOf(schema).kind === 'value')
    for (const { path } of plain) expect([keyText(path), origins.has(path.join('\0'))]).toEqual([keyText(path), true])
  })

  test('has every key with its meaning and its variable, and the variable sets it', () => {
    const lines = exampleToml().split('\n')
    for (const { path, schema } of keys.filter(({ schema }) => shapeOf(schema).kind === 'value')) {
      const variable = `TDF_${path.join('__').toUpperCase()}`
      const at = lines.findIndex(line => new RegExp(`# ${variable}( or [A-Z_]+)?, (reload|restart|watch)$`).test(line))
      expect([variable, lines[at - 1]]).toEqual([variable, `# ${descriptionOf(schema)}`])
      const text = /= (?:"(.*?)"|(.*?)) +# TDF/.exec(lines[at] ?? '')
      expect(load({ env: { [variable]: text?.[1] ?? text?.[2] ?? '' } }).config).toEqual(defaultConfig())
    }
  })

  test('has samples of nodes and agents that are valid when their comment signs are taken away', () => {
    const samples = exampleToml().replace(/^# (?=\[|[a-z_]+ = )/gm, '')
    const { config } = load({ toml: samples })
    expect(config.providers.static.nodes).toMatchObject([
      { name: 'box1', url: 'http://127.0.0.1:8787', maxWorkspaces: 1 },
    ])
    expect(config.agents.opencode).toMatchObject({ type: 'acp', command: ['opencode', 'acp'] })
  })

  test('fits a screen: one line for each meaning, none over 160 characters', () => {
    for (const line of exampleToml().split('\n')) expect(line.length, line).toBeLessThanOrEqual(160)
  })
})

describe('config show --origin', () => {
  test('says of every value where it comes from, and never a token', async () => {
    const toml = `[runner]
max_execution = "30s"
[providers.hetzner]
sizes = { small = "cx99" }
[[providers.static.nodes]]
name = "box1"
url = "http://127.0.0.1:8787"
token = "hunter2hunter2"
[[providers.static.nodes]]
name = "box2"
ssh = "me@box2"
`
    const env = { TDF_RUNNER__STEP_MAX_RETRIES: '5', TDF_AGENTS__CLAUDE__ARGS: '["--model", "opus"]' }
    const rows = describeConfig(load({ toml, env })).map(
      ({ key, value, origin, apply }) => `${key} = ${value}  ${origin}  ${apply}`,
    )
    await expect(`${rows.join('\n')}\n`).toMatchFileSnapshot('../../../golden/config/show.txt')
    expect(rows.join('\n')).not.toContain('hunter2')
  })

  test('knows that a list of nodes came from the environment', () => {
    const env = { TDF_PROVIDERS__STATIC__NODES: '[{"name":"box1","ssh":"me@box1"}]' }
    const rows = describeConfig(load({ env })).filter(({ key }) => key.startsWith('providers.static'))
    expect(rows).toContainEqual(
      expect.objectContaining({ key: 'providers.static.nodes[0].ssh', origin: 'env TDF_PROVIDERS__STATIC__NODES' }),
    )
  })
})

describe('the JSON schema for editors', () => {
  test('has every key, takes durations as strings and refuses what it does not know', () => {
    const schema = configJsonSchema()
    expect(schema).toMatchObject({
      $schema: 'http://json-schema.org/draft-07/schema#',
      additionalProperties: false,
      properties: {
        runner: {
          additionalProperties: false,
          properties: { idle_timeout: { type: 'string', default: '20m', description: expect.any(String) } },
        },
        agents: { additionalProperties: { required: ['type'] } },
      },
    })
    for (const { path } of keys) {
      const inner = ['properties', path.join('.properties.')].join('.')
      expect(schema, keyText(path)).toHaveProperty(inner)
    }
    expect(JSON.stringify(schema)).not.toMatch(/"(expects|apply|secret)":(?!{)/)
  })
})
