/** JSON files of the state folder, checked against their shape when read. */
import type { z } from 'zod'
import { createDurable, readIfThere, writeDurable } from '../../platform/files.ts'

/** What is in the file; null when it is missing or is not what it should be. */
export function readJson<T extends z.ZodType>(path: string, shape: T): z.output<T> | null {
  try {
    return readJsonStrictly(path, shape)
  } catch {
    return null
  }
}

/** Null when the file is missing; throws when it is damaged. */
export function readJsonStrictly<T extends z.ZodType>(path: string, shape: T): z.output<T> | null {
  const text = readIfThere(path)
  return text === null ? null : shape.parse(JSON.parse(text))
}

export function writeJson(path: string, value: unknown): void {
  writeDurable(path, `${JSON.stringify(value)}\n`)
}

/** False when the file is there already. */
export function createJson(path: string, value: unknown): boolean {
  return createDurable(path, `${JSON.stringify(value)}\n`)
}
