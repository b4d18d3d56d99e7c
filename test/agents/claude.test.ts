import { realAgent } from './suite.ts'

realAgent('claude')
