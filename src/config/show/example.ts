/** config.example.toml, written from the schema: people read it more often than any other page. */
import { variableOf } from '../load/environment.ts'
import type { Path } from '../load/tree.ts'
import { configSchema } from '../schema/config.ts'
import { aboutOf, defaultOf, descriptionOf, keyText, type Schema, shapeOf } from '../schema/shape.ts'
import { valueText } from './describe.ts'

const HEAD = `# tdf configuration. Every key stands here with its default: keep only the lines that you change. What is not set
# follows later versions, and makes room for what is: lower max_execution to "10m" and the idle_timeout that you did
# not set comes down with it. \`tdf config show --origin\` says what is in force and why, \`tdf config check\` what is wrong.
#
# Durations are "200ms", "30s", "15m", "1h30m", "7d"; sizes "500kB", "64MiB", "1GiB". A number without unit is refused.
# Behind each key is the variable that sets it too (and wins), and how a change takes effect:
# reload: at \`tdf daemon reload\`; restart: when the daemon starts again; watch: at the next \`tdf watch\`.
`
const COMMENT_COLUMN = 44

export function exampleToml(): string {
  return `${HEAD}${tableLines(configSchema, []).join('\n')}\n`
}

function tableLines(schema: Schema, path: Path): string[] {
  const shape = shapeOf(schema)
  if (shape.kind === 'names') return sampleLines(schema, shape.item, `[${keyText([...path, 'opencode'])}]`)
  if (shape.kind !== 'table') return []
  const parts = Object.entries(shape.keys)
  const values = parts.filter(([, part]) => shapeOf(part).kind === 'value')
  const header = values.length > 0 ? ['', `# ${descriptionOf(schema)}`, `[${keyText(path)}]`] : []
  const keys = values.flatMap(([name, part]) => keyLines(part, [...path, name]))
  const inner = parts.flatMap(([name, part]) => {
    const item = shapeOf(part)
    if (item.kind !== 'list') return tableLines(part, [...path, name])
    // A list that stands in no table is described itself.
    return sampleLines(path.length === 0 ? part : schema, item.item, `[[${keyText([...path, name])}]]`)
  })
  return [...header, ...keys, ...inner]
}

/** A table that does not exist by itself: a sample of it, commented out. It is valid as it stands. */
function sampleLines(around: Schema, item: Schema, header: string): string[] {
  const shape = shapeOf(item)
  const keys = shape.kind === 'table' ? Object.entries(shape.keys) : []
  const lines = keys.map(([name, part]) => `# ${withComment(`${name} = ${sampleText(part)}`, descriptionOf(part))}`)
  return ['', `# ${descriptionOf(around)}`, `# ${header}`, ...lines]
}

function keyLines(schema: Schema, path: Path): string[] {
  const about = aboutOf(schema)
  const variables = [variableOf(path), ...(about?.env ? [about.env] : [])].join(' or ')
  const pair = `${path.at(-1)} = ${valueText(defaultOf(schema))}`
  return [`# ${descriptionOf(schema)}`, withComment(pair, `${variables}, ${about?.apply ?? 'reload'}`)]
}

function sampleText(schema: Schema): string {
  const about = aboutOf(schema)
  const initial = defaultOf(schema)
  if (about?.example === undefined) return valueText(initial)
  return /^(\[|\d)/.test(about.example) ? about.example : valueText(about.example)
}

function withComment(pair: string, comment: string): string {
  return `${pair.padEnd(COMMENT_COLUMN)}  # ${comment}`
}
