import { adapterConformance } from './adapter.suite.ts'
import { codex } from './dialects.ts'

adapterConformance('codex', codex)
