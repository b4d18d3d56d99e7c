/** The pages of the manual by name. */
import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import type { Command } from 'commander'
import type { Page } from '../man.ts'
import { commandPage } from './command-page.ts'
import { configPage } from './config-page.ts'

const WRITERS: Record<Page, (program: Command) => string> = { 'tdf.1': commandPage, 'tdf-config.5': configPage }

export function manualPage(page: Page, program: Command): string {
  return WRITERS[page](program)
}

export async function writeManual(folder: string, pages: readonly Page[], program: Command): Promise<void> {
  await mkdir(folder, { recursive: true })
  for (const page of pages) await writeFile(path.join(folder, page), manualPage(page, program))
}
