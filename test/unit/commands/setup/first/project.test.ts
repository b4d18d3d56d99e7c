/** How a repository is tested and prepared, by the files that say so: the table of what is known. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { projectIn } from '../../../../../commands/setup/first/project.ts'

let root: string
beforeEach(() => {
  root = mkdtempSync(path.join(tmpdir(), 'tdf-project-'))
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

function holds(files: Record<string, string>): void {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(path.dirname(path.join(root, name)), { recursive: true })
    writeFileSync(path.join(root, name), text)
  }
}

const TESTED = '{"scripts":{"test":"vitest"},"devDependencies":{"vitest":"^4"}}'
const PYTEST = '[project]\nname = "x"\n[tool.pytest.ini_options]\n'

describe('a repository with', () => {
  it.each<[string, Record<string, string>, string | undefined, string | undefined]>([
    ['package.json alone', { 'package.json': TESTED }, 'npm test', 'npm install'],
    ['a lock of npm', { 'package.json': TESTED, 'package-lock.json': '{}' }, 'npm test', 'npm ci'],
    ['a lock of pnpm', { 'package.json': TESTED, 'pnpm-lock.yaml': '' }, 'pnpm test', 'pnpm install --frozen-lockfile'],
    ['a lock of yarn', { 'package.json': TESTED, 'yarn.lock': '' }, 'yarn test', 'yarn install --frozen-lockfile'],
    [
      'a lock of the newer yarn',
      { 'package.json': TESTED, 'yarn.lock': '', '.yarnrc.yml': '' },
      'yarn test',
      'yarn install --immutable',
    ],
    ['a lock of bun', { 'package.json': TESTED, 'bun.lock': '' }, 'bun run test', 'bun install --frozen-lockfile'],
    [
      'a package manager that it names, and another lock',
      { 'package.json': TESTED.replace('{', '{"packageManager":"pnpm@9.1.0",'), 'package-lock.json': '{}' },
      'pnpm test',
      'pnpm install',
    ],
    [
      'what npm init writes',
      { 'package.json': '{"scripts":{"test":"echo \\"Error: no test specified\\" && exit 1"}}' },
      undefined,
      undefined,
    ],
    ['a test and no dependencies', { 'package.json': '{"scripts":{"test":"node --test"}}' }, 'npm test', undefined],
    ['a manifest that is no JSON', { 'package.json': '{' }, undefined, undefined],
    ['a manifest of odd types', { 'package.json': '{"scripts":[1],"dependencies":"x"}' }, undefined, undefined],
    ['a Makefile', { Makefile: 'all:\n\ntest: all\n\t./run\n' }, 'make test', undefined],
    ['a Makefile that only checks', { makefile: 'check:\n\t./run\n' }, 'make check', undefined],
    ['a Makefile with a variable of that name', { Makefile: 'test := 1\nall:\n' }, undefined, undefined],
    ['Cargo.toml', { 'Cargo.toml': '[package]\n' }, 'cargo test', undefined],
    ['go.mod', { 'go.mod': 'module x\n' }, 'go test ./...', undefined],
    ['pytest in pyproject.toml', { 'pyproject.toml': PYTEST }, 'pytest', undefined],
    ['a lock of uv', { 'pyproject.toml': PYTEST, 'uv.lock': '' }, 'uv run pytest', 'uv sync'],
    ['a lock of poetry', { 'pyproject.toml': PYTEST, 'poetry.lock': '' }, 'poetry run pytest', 'poetry install'],
    ['tox.ini', { 'pyproject.toml': PYTEST, 'tox.ini': '' }, 'tox', undefined],
    ['tox in pyproject.toml', { 'pyproject.toml': '[tool.tox]\n' }, 'tox', undefined],
    ['pytest.ini', { 'pytest.ini': '' }, 'pytest', undefined],
    ['setup.py and tests', { 'setup.py': '', 'tests/test_x.py': '' }, 'pytest', undefined],
    ['a pyproject.toml that is no TOML', { 'pyproject.toml': 'a = [' }, undefined, undefined],
    ['a folder of tests alone', { 'tests/x': '' }, undefined, undefined],
    ['pom.xml and its wrapper', { 'pom.xml': '', mvnw: '' }, './mvnw --batch-mode test', undefined],
    ['gradle', { 'build.gradle.kts': '' }, 'gradle test', undefined],
    ['a justfile', { justfile: 'test *args:\n  x\n' }, 'just test', undefined],
    ['mix.exs', { 'mix.exs': '' }, 'mix test', undefined],
    ['nothing of it', { 'README.md': '' }, undefined, undefined],
  ])('%s', (_, files, check, setup) => {
    holds(files)
    const { checks, setup: found } = projectIn(root)
    expect([checks[0]?.command, found?.command]).toEqual([check, setup])
    if (checks[0]) expect(Object.keys(files)).toContain(checks[0].from)
  })

  it('several is tested by the first, and names the others', () => {
    holds({ 'package.json': TESTED, Makefile: 'test:\n', 'Cargo.toml': '' })
    expect(projectIn(root).checks.map(({ command }) => command)).toEqual(['npm test', 'make test', 'cargo test'])
  })

  it('a link in the place of a file is not followed', () => {
    writeFileSync(path.join(tmpdir(), `${path.basename(root)}.json`), TESTED)
    symlinkSync(path.join(tmpdir(), `${path.basename(root)}.json`), path.join(root, 'package.json'))
    expect(projectIn(root)).toEqual({ checks: [], setup: null })
    rmSync(path.join(tmpdir(), `${path.basename(root)}.json`))
  })
})
