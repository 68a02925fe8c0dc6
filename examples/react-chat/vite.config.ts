import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

export default defineConfig({
  plugins: [react()],
  // The three chats share a folder beside this one.
  server: { fs: { allow: ['.', '../chat'] } },
});
