/** The glue that wasm-bindgen writes; build.mjs resolves these names to `dist/wasm/<build>/client_wasm.js`. */
declare module '@wasm/*' {
  type Glue = import('../core/client-types.ts').ClientModule;
  const init: Glue['default'];
  export default init;
  export const detect_webgpu: Glue['detect_webgpu'];
  export const phantom_png: Glue['phantom_png'];
  export const Client: Glue['Client'];
  export const Site: Glue['Site'];
}
