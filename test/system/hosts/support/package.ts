/** The package as it is published, put onto a machine; and the same as the next version. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'

export interface Package {
  version: string
  /** `npm install --global`, from outside: the machine itself reaches no registry. */
  installInto(root: string): void
}

export interface Packages {
  current: Package
  next: Package
  remove(): void
}

export function packTwice(): Packages {
  const folder = mkdtempSync(path.join(tmpdir(), 'tdf-packages-'))
  execFileSync('npm', ['pack', '--ignore-scripts', '--pack-destination', folder], { stdio: 'ignore' })
  const [tarball = ''] = readdirSync(folder)
  const version = versionOf('package.json')
  execFileSync('tar', ['-xzf', tarball], { cwd: folder })
  const next = '9.9.9'
  renumber(path.join(folder, 'package'), version, next)
  execFileSync('tar', ['-czf', 'next.tgz', 'package'], { cwd: folder })
  return {
    current: { version, installInto: root => install(path.join(folder, tarball), root) },
    next: { version: next, installInto: root => install(path.join(folder, 'next.tgz'), root) },
    remove: () => rmSync(folder, { recursive: true }),
  }
}

const versionOf = (file: string): string => JSON.parse(readFileSync(file, 'utf8')).version

/** Another build differs from this one in what it says of itself. */
function renumber(folder: string, from: string, to: string): void {
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const file = path.join(entry.parentPath, entry.name)
    if (!entry.isFile() || !/\.js$|^package\.json$/.test(entry.name)) continue
    const text = readFileSync(file, 'utf8')
    if (text.includes(`"${from}"`)) writeFileSync(file, text.replaceAll(`"${from}"`, `"${to}"`))
  }
}

function install(tarball: string, root: string): void {
  const quiet = ['--no-audit', '--no-fund', '--ignore-scripts', '--prefer-offline']
  execFileSync('npm', ['install', '--global', ...quiet, '--prefix', path.join(root, 'usr/local'), tarball], {
    stdio: 'ignore',
  })
}
