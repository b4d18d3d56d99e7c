/** Runs once for every test file. */
import { afterAll } from 'vitest'
import { undoFile } from './after-file.ts'

afterAll(undoFile)
