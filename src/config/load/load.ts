/** The configuration in force: defaults, then the file, then the environment; checked as a whole. */
import { dirname, join, resolve } from 'node:path'
import { orderLimits } from '../limits.ts'
import { type Config, configSchema, type RawConfig, toConfig, withBuiltInAgents } from '../schema/config.ts'
import { partOf, type Schema, shapeOf } from '../schema/shape.ts'
import { applyEnvironment, type Environment } from './environment.ts'
import { type ConfigFile, type ReadFile, readConfigFile, unreadable } from './file.ts'
import { problemsOf } from './issues.ts'
import { configInvalid, type Problem } from './problem.ts'
import { parseFile } from './toml.ts'
import { type Draft, emptyDraft, type Origins, originAt, type Path, pathId, tableFor } from './tree.ts'

export interface LoadOptions {
  /** Absolute. It need not exist. */
  file: string
  env: Environment
  readFile?: ReadFile
}

export interface LoadedConfig {
  config: Config
  /** The same in the names of the file, for `describeConfig`. */
  raw: RawConfig
  /** Where each key that is not a plain default comes from. */
  origins: Origins
  /** Sentences for the log and for `config check`; nothing is refused because of them. */
  warnings: string[]
}

/** Throws CONFIG_INVALID with every fault at once, each at its place. Without a file, the defaults. */
export function loadConfig({ file, env, readFile = readConfigFile }: LoadOptions): LoadedConfig {
  const problems: Problem[] = []
  const found = read(file, readFile)
  const draft = found ? parseFile(file, found.text, problems) : emptyDraft()
  applyEnvironment(draft, env, problems)
  const raw = checkDraft(draft, file, problems)
  if (raw) orderLimits(raw, draft.origins, file, problems)
  if (!raw || problems.length > 0) throw configInvalid(problems)
  resolveFiles(raw, dirname(file), env)
  const { origins } = draft
  return { config: toConfig(raw), raw, origins, warnings: warningsOf(raw, origins, file, found, env) }
}

function read(file: string, readFile: ReadFile): ConfigFile | null {
  try {
    return readFile(file)
  } catch (thrown) {
    throw unreadable(file, thrown)
  }
}

/** A relative file name is meant from the folder of the configuration; `~/` is the home of whom the daemon runs as. */
function resolveFiles({ providers, store, cluster, templates }: RawConfig, folder: string, env: Environment): void {
  const resolved = (name: string) => {
    if (name.startsWith('~/') && env.HOME) return join(env.HOME, name.slice(2))
    return name === '' ? '' : resolve(folder, name)
  }
  for (const holder of [providers.hetzner, ...providers.static.nodes]) holder.token_file = resolved(holder.token_file)
  store.url_file = resolved(store.url_file)
  cluster.key_file = resolved(cluster.key_file)
  templates.dir = resolved(templates.dir)
}

/** Where templates are, of the configuration in `file`. */
export function templatesFolder({ templates }: Pick<Config, 'templates'>, file: string): string {
  return templates.dir === '' ? join(dirname(file), 'templates') : templates.dir
}

function warningsOf(
  raw: RawConfig,
  origins: Origins,
  file: string,
  found: ConfigFile | null,
  env: Environment,
): string[] {
  const warnings: string[] = []
  if (!found && env.TDF_CONFIG)
    warnings.push(`TDF_CONFIG names ${file}, which does not exist: the defaults are in force`)
  const inFile = raw.providers.static.nodes.filter(({ token }, index) => {
    return token && originAt(origins, ['providers', 'static', 'nodes', index, 'token']).kind === 'file'
  })
  const held = inFile.length > 0 ? [`the token of node ${inFile.map(({ name }) => `"${name}"`).join(', ')}`] : []
  const hasPassword = /^[^/]*:\/\/[^@/]*:[^@/]*@/.test(raw.store.url) || /[?&]password=/.test(raw.store.url)
  if (hasPassword && originAt(origins, ['store', 'url']).kind === 'file') held.push('the password of [store] url')
  if (found && found.mode & 0o077 && held.length > 0) {
    const mode = (found.mode & 0o777).toString(8).padStart(4, '0')
    const what = held.join(' and ')
    warnings.push(`${file} holds ${what} and others may read it (mode ${mode}): chmod 600 ${file}`)
  }
  return warnings
}

// --- Holds a draft against the schema ---

/** What is wrong is taken out and replaced by its default, so that limits can be checked in the same go. */
export function checkDraft(draft: Draft, file: string, problems: Problem[]): RawConfig | undefined {
  const tree = withBuiltInAgents(draft.tree)
  const first = configSchema.safeParse(tree)
  if (first.success) return first.data
  problems.push(...problemsOf(first.error.issues, { ...draft, tree }, file))
  for (const { path, ...issue } of first.error.issues) {
    const keys = issue.code === 'unrecognized_keys' ? issue.keys : []
    if (keys.length === 0) remove({ ...draft, tree }, path as Path)
    for (const key of keys) delete tableFor(tree, path as Path)[key]
  }
  return configSchema.safeParse(tree).data
}

/** Out of a list or a table of chosen names goes the whole list or the whole named table. */
function remove({ tree, origins }: Draft, path: Path): void {
  let schema: Schema | undefined = configSchema
  let end = 0
  while (schema && end < path.length) {
    const shape = shapeOf(schema)
    if (shape.kind === 'value' || shape.kind === 'list') break
    schema = partOf(schema, path[end] ?? '')
    end += 1
    if (shape.kind === 'names') break
  }
  const cut = path.slice(0, end)
  origins.delete(pathId(cut))
  delete tableFor(tree, cut.slice(0, -1))[cut.at(-1) ?? '']
}
