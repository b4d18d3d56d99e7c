/** How a repository is prepared and tested, as its own files say. They are read, and nothing of them is run. */
import { existsSync } from 'node:fs'
import path from 'node:path'
import { tomlTable } from '../../../src/config/repository-file.ts'
import { readPlainFile } from '../../../src/platform/files.ts'

export interface Found {
  command: string
  /** The file that says so. */
  from: string
}

export interface Project {
  /** What may test it, the likeliest first. */
  checks: readonly Found[]
  setup: Found | null
}

const FILE_BYTES_MAX = 1024 * 1024

/** Answers with the text of a file of the repository; null when it is not there, or no plain file. */
type Read = (name: string) => string | null

export function projectIn(root: string): Project {
  const read: Read = name => readPlainFile(path.join(root, name), FILE_BYTES_MAX)
  const has = (name: string) => existsSync(path.join(root, name))
  const looks = [javascript(read), make(read), rust(read), python(read, has), go(read), others(read, has)]
  return {
    checks: looks.flatMap(({ checks }) => checks),
    setup: looks.find(({ setup }) => setup !== null)?.setup ?? null,
  }
}

const NOTHING: Project = { checks: [], setup: null }

/** The lock files of each package manager, and what installs exactly what they say. */
const MANAGERS: readonly { name: string; locks: readonly string[]; exact: string; test: string }[] = [
  { name: 'pnpm', locks: ['pnpm-lock.yaml'], exact: 'pnpm install --frozen-lockfile', test: 'pnpm test' },
  { name: 'yarn', locks: ['yarn.lock'], exact: 'yarn install --frozen-lockfile', test: 'yarn test' },
  { name: 'bun', locks: ['bun.lock', 'bun.lockb'], exact: 'bun install --frozen-lockfile', test: 'bun run test' },
  { name: 'npm', locks: ['package-lock.json', 'npm-shrinkwrap.json'], exact: 'npm ci', test: 'npm test' },
]

function javascript(read: Read): Project {
  const manifest = jsonOf(read('package.json'))
  if (manifest === null) return NOTHING
  const wanted = textOf(manifest.packageManager)
  const named = MANAGERS.find(({ name }) => wanted.startsWith(`${name}@`))
  const lockOf = ({ locks }: { locks: readonly string[] }) => locks.find(lock => read(lock) !== null)
  const manager = named ?? MANAGERS.find(one => lockOf(one) !== undefined)
  const { name, exact, test } = manager ?? { name: 'npm', exact: 'npm ci', test: 'npm test' }
  const lock = manager && lockOf(manager)
  // The newer yarn has another word for it.
  const isNewYarn = name === 'yarn' && (/^yarn@([2-9]|\d\d)/.test(wanted) || read('.yarnrc.yml') !== null)
  const install = lock === undefined ? `${name} install` : isNewYarn ? 'yarn install --immutable' : exact
  const hasDependencies = ['dependencies', 'devDependencies'].some(key => hasKeys(manifest[key]))
  const script = textOf(Object(manifest.scripts).test)
  return {
    // What `npm init` writes only fails.
    checks: script === '' || script.includes('no test specified') ? [] : [{ command: test, from: 'package.json' }],
    setup: hasDependencies ? { command: install, from: lock ?? 'package.json' } : null,
  }
}

const MAKEFILES = ['GNUmakefile', 'makefile', 'Makefile']

function make(read: Read): Project {
  const from = MAKEFILES.find(name => read(name) !== null)
  const text = from === undefined ? '' : (read(from) ?? '')
  const target = ['test', 'check'].find(name => new RegExp(`^${name}\\s*:(?!=)`, 'm').test(text))
  return from === undefined || target === undefined ? NOTHING : only(`make ${target}`, from)
}

const rust = (read: Read) => (read('Cargo.toml') === null ? NOTHING : only('cargo test', 'Cargo.toml'))
const go = (read: Read) => (read('go.mod') === null ? NOTHING : only('go test ./...', 'go.mod'))

/** Where a lock file is, the programs of its own environment are run through its manager. */
const ENVIRONMENTS = [
  { lock: 'uv.lock', prefix: 'uv run ', setup: 'uv sync' },
  { lock: 'poetry.lock', prefix: 'poetry run ', setup: 'poetry install' },
  { lock: 'pdm.lock', prefix: 'pdm run ', setup: 'pdm install' },
]

function python(read: Read, has: (name: string) => boolean): Project {
  const manifest = read('pyproject.toml')
  const tool = Object(Object(tomlTable(manifest ?? '')).tool)
  const environment = ENVIRONMENTS.find(({ lock }) => read(lock) !== null)
  const setup = environment ? { command: environment.setup, from: environment.lock } : null
  const isPython = ['pyproject.toml', 'setup.py', 'setup.cfg', 'requirements.txt'].find(name => read(name) !== null)
  const usesPytest = 'pytest' in tool || /\bpytest\b/.test(manifest ?? '') || has('conftest.py') || has('tests')
  const [program, from] =
    read('tox.ini') !== null || 'tox' in tool
      ? ['tox', read('tox.ini') === null ? 'pyproject.toml' : 'tox.ini']
      : read('pytest.ini') !== null
        ? ['pytest', 'pytest.ini']
        : [usesPytest ? 'pytest' : '', isPython ?? '']
  const checks = program === '' || from === '' ? [] : [{ command: `${environment?.prefix ?? ''}${program}`, from }]
  return { checks, setup }
}

function others(read: Read, has: (name: string) => boolean): Project {
  const gradle = ['build.gradle', 'build.gradle.kts'].find(name => read(name) !== null)
  const checks: (Found | false)[] = [
    /^test\b[^:=]*:(?!=)/m.test(read('justfile') ?? '') && { command: 'just test', from: 'justfile' },
    read('pom.xml') !== null && { command: `${has('mvnw') ? './mvnw' : 'mvn'} --batch-mode test`, from: 'pom.xml' },
    gradle !== undefined && { command: `${has('gradlew') ? './gradlew' : 'gradle'} test`, from: gradle },
    read('mix.exs') !== null && { command: 'mix test', from: 'mix.exs' },
    read('deno.json') !== null && { command: 'deno test', from: 'deno.json' },
  ]
  return { checks: checks.filter(check => check !== false), setup: null }
}

const only = (command: string, from: string): Project => ({ checks: [{ command, from }], setup: null })

const hasKeys = (value: unknown) => typeof value === 'object' && Object.keys(Object(value)).length > 0

const textOf = (value: unknown) => (typeof value === 'string' ? value : '')

function jsonOf(text: string | null): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(text ?? '')
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : null
  } catch {
    return null
  }
}
