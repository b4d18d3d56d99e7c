/**
 * Values that agents and pushes are given by name: a file each in the state folder, closed to others, read when it is
 * used. What is not there is looked up in the daemon's environment.
 */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import path from 'node:path'
import { TdfError } from '../../src/core/errors.ts'
import { makeFolder, removeDurable, writeDurable } from '../../src/platform/files.ts'
import { registerSecret } from '../../src/platform/log.ts'

export interface Secrets {
  /** Values for the names; unknown names are left out. From now on no log shows them. */
  of(names: readonly string[]): Record<string, string>
  list(): { name: string; at: number }[]
  /** Whole and on disk when it returns. Throws SECRET_INVALID. */
  set(name: string, value: string): void
  /** Throws NOT_FOUND. */
  remove(name: string): void
}

/** As POSIX has them for variables of the environment; a file name of it is no path. */
const NAME = /^[A-Za-z_][A-Za-z0-9_]{0,127}$/
/** One variable of the environment may have 128 KiB (execve(2), MAX_ARG_STRLEN). */
const VALUE_BYTES_MAX = 64 * 1024

export function createSecrets(stateDir: string, env: Readonly<Record<string, string | undefined>>): Secrets {
  const folder = path.join(stateDir, 'secrets')
  makeFolder(folder)
  const fileOf = (name: string) => path.join(folder, checkedName(name))
  const find = (name: string) => {
    const file = NAME.test(name) ? fileOf(name) : undefined
    return file !== undefined && existsSync(file) ? readFileSync(file, 'utf8') : env[name]
  }
  return {
    of(names) {
      const found = names.flatMap(name => {
        const value = find(name)
        return value === undefined ? [] : [[name, value] as const]
      })
      for (const [, value] of found) registerSecret(value)
      return Object.fromEntries(found)
    },
    list: () =>
      readdirSync(folder)
        .filter(name => NAME.test(name))
        .sort()
        .map(name => ({ name, at: statSync(path.join(folder, name)).mtimeMs })),
    set(name, value) {
      const file = fileOf(name)
      checkValue(value)
      registerSecret(value)
      writeDurable(file, value)
    },
    remove(name) {
      const file = fileOf(name)
      if (!existsSync(file)) throw new TdfError('NOT_FOUND', `there is no secret ${name}`, { hint: 'tdf secret ls' })
      removeDurable(file)
    },
  }
}

function checkedName(name: string): string {
  if (NAME.test(name)) return name
  throw new TdfError('SECRET_INVALID', 'the name of a secret is that of a variable, such as ANTHROPIC_API_KEY')
}

/** Never says what the value is. */
function checkValue(value: string): void {
  if (value === '') throw new TdfError('SECRET_INVALID', 'the value is empty')
  if (value.includes('\0'))
    throw new TdfError('SECRET_INVALID', 'the value has a NUL in it, which no variable can hold')
  if (Buffer.byteLength(value) > VALUE_BYTES_MAX) {
    throw new TdfError('SECRET_INVALID', `the value is larger than ${VALUE_BYTES_MAX} bytes`)
  }
}
